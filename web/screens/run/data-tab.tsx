// What the run was given and gave: payload, result, outputs, kept values, and checkpoints to go on from.
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { getCheckpoint, getRun, listCheckpoints, listOutputs, listState, replayRun } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { useAct } from '../../parts/act.ts'
import { Answered } from '../../parts/answered.tsx'
import { Button } from '../../parts/button.tsx'
import { JsonTree } from '../../parts/json-tree.tsx'
import { Empty, sentenceOf } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Table } from '../../parts/table.tsx'
import { Time } from '../../parts/time.tsx'
import styles from './run.module.css'

export function DataTab({ run }: { run: Run }) {
  const run_id = run.id
  const bodies = useQuery({
    queryKey: ['run', run_id, 'bodies', run.status],
    queryFn: ({ signal }) => getRun({ run_id, include: ['payload', 'result'] }, { signal }),
  })
  const outputs = useQuery({
    queryKey: ['run', run_id, 'outputs'],
    queryFn: ({ signal }) => listOutputs({ run_id }, { signal }),
  })
  const values = useQuery({
    queryKey: ['run', run_id, 'state'],
    queryFn: ({ signal }) => listState({ run_id }, { signal }),
  })
  return (
    <div className={styles.columns}>
      <Panel title="Payload" pad>
        <Answered query={bodies} what="The payload">
          {({ payload, payload_gone }) =>
            payload_gone ? <Gone /> : <JsonTree value={payload ?? null} label="Payload" />
          }
        </Answered>
      </Panel>
      <Panel title="Result" pad>
        <Answered query={bodies} what="The result">
          {({ result, payload_gone, status }) =>
            payload_gone ? (
              <Gone />
            ) : status === 'completed' ? (
              <JsonTree value={result ?? null} label="Result" />
            ) : (
              <p className={styles.muted}>A run that has not completed has no result.</p>
            )
          }
        </Answered>
      </Panel>
      <Panel title="Outputs" pad>
        <Answered query={outputs} what="The outputs">
          {({ data }) =>
            data.length === 0 ? (
              <p className={styles.muted}>The run has written no outputs.</p>
            ) : (
              data.map(({ id, output_key, value }) => (
                <div key={id}>
                  <h3>{output_key}</h3>
                  <JsonTree value={value} label={`Output ${output_key}`} />
                </div>
              ))
            )
          }
        </Answered>
      </Panel>
      <Panel title="Kept values" pad>
        <Answered query={values} what="The kept values">
          {({ data }) =>
            data.length === 0 ? (
              <p className={styles.muted}>The run keeps no values for its later attempts.</p>
            ) : (
              <JsonTree value={Object.fromEntries(data.map(({ key, value }) => [key, value]))} label="Kept values" />
            )
          }
        </Answered>
      </Panel>
      <Checkpoints run={run} />
    </div>
  )
}

const Gone = () => (
  <p className={styles.muted}>
    No longer kept: the node deletes payloads and results after a while (setting <code>RUNYARD_KEEP_PAYLOADS_DAYS</code>
    ).
  </p>
)

function Checkpoints({ run }: { run: Run }) {
  const may = useMay()
  const navigate = useNavigate()
  const [opened, setOpened] = useState<number | undefined>()
  const list = useQuery({
    queryKey: ['run', run.id, 'checkpoints'],
    queryFn: ({ signal }) => listCheckpoints({ run_id: run.id }, { signal }),
  })
  const state = useQuery({
    queryKey: ['checkpoint', run.id, opened],
    queryFn: ({ signal }) => getCheckpoint({ run_id: run.id, number: opened ?? 1 }, { signal }),
    enabled: opened !== undefined,
  })
  const replay = useAct(
    (from_checkpoint: number) => replayRun({ run_id: run.id, from_checkpoint }),
    ['run', 'runs', 'stats'],
  )
  const go = (number: number) =>
    replay.mutate(number, {
      onSuccess: ({ id }) => void navigate({ to: '/runs/$run_id', params: { run_id: id } }),
    })
  return (
    <Panel title="Checkpoints">
      <Answered query={list} what="The checkpoints">
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="No checkpoints">An attempt that saves one can go on from it.</Empty>
          ) : (
            <Table
              label="Checkpoints"
              keyOf={({ id }) => id}
              rows={data}
              columns={[
                { name: 'Number', cell: ({ number }) => number },
                { name: 'Attempt', cell: ({ attempt }) => attempt },
                { name: 'Saved', cell: ({ created_at }) => <Time at={created_at} /> },
                { name: 'By', cell: ({ source }) => source, wide: true },
                {
                  name: '',
                  right: true,
                  cell: ({ number }) => (
                    <>
                      <Button onClick={() => setOpened(number)}>Show</Button>{' '}
                      {may('runs:write') && (
                        <Button disabled={replay.isPending} onClick={() => go(number)}>
                          Replay from here
                        </Button>
                      )}
                    </>
                  ),
                },
              ]}
            />
          )
        }
      </Answered>
      {replay.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(replay.error)}
        </p>
      )}
      {opened !== undefined && (
        <Answered query={state} what={`Checkpoint ${opened}`}>
          {(checkpoint) => <JsonTree value={checkpoint.state} label={`State of checkpoint ${opened}`} />}
        </Answered>
      )}
    </Panel>
  )
}
