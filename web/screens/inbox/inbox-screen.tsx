// What waits for a person: the questions on the left, the one that is open on the right, with what led to it.
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { getInput, listInputs, listRunEvents } from '../../api/calls.ts'
import { useKeys } from '../../frame/keys.ts'
import { sentenceCase } from '../../look/words.ts'
import { AnswerForm, type InputRequest } from '../../parts/answer/answer-form.tsx'
import { HeldWords } from '../../parts/answer/held-answer.tsx'
import { useHeldAnswers } from '../../parts/answer/held-answers.ts'
import { Answered } from '../../parts/answered.tsx'
import { ActorName, RunLink } from '../../parts/id.tsx'
import { JsonTree } from '../../parts/json-tree.tsx'
import { Empty, Loading } from '../../parts/notes.tsx'
import { Facts, Panel } from '../../parts/panel.tsx'
import { Countdown, Time } from '../../parts/time.tsx'
import { useTitle } from '../../parts/title.ts'
import { one } from '../../routing/search.ts'
import styles from './inbox.module.css'

const STATES = ['pending', 'answered', 'expired', 'canceled'] as const

export function InboxScreen() {
  useTitle('Inbox')
  const search = useSearch({ from: '/signed-in/inbox' })
  const navigate = useNavigate({ from: '/inbox' })
  const status = STATES.find((it) => it === one(search.status)) ?? 'pending'
  const agent = one(search.agent_id)
  const query = useQuery({
    queryKey: ['inputs', status, agent],
    queryFn: ({ signal }) => listInputs({ status, limit: 100, ...(agent && { agent_id: agent }) }, { signal }),
  })
  const inputs = query.data?.data ?? []
  // What is open stays open when somebody answers it meanwhile, so that one sees who did, and what they said.
  const [first, setFirst] = useState<{ status: string; id: string } | undefined>()
  if (inputs[0] && first?.status !== status) setFirst({ status, id: inputs[0].id })
  const wanted = one(search.input_request_id) ?? (first?.status === status ? first.id : undefined)
  const opened = inputs.find(({ id }) => id === wanted)
  const gone = useQuery({
    queryKey: ['inputs', 'one', wanted],
    queryFn: ({ signal }) => getInput({ input_request_id: wanted ?? '' }, { signal }),
    enabled: query.data !== undefined && wanted !== undefined && !opened,
  })
  const shown = opened ?? (query.data && !opened ? gone.data : undefined) ?? (gone.isError ? inputs[0] : undefined)
  const open = (input_request_id: string) => void navigate({ search: { ...search, input_request_id }, replace: true })
  const step = (by: number) => {
    const at = inputs.findIndex(({ id }) => id === shown?.id)
    const next = inputs[Math.max(0, Math.min(inputs.length - 1, at + by))]
    if (next) open(next.id)
  }
  useKeys({ j: () => step(1), k: () => step(-1) })
  return (
    <>
      <div className={styles.head}>
        <h1>Inbox</h1>
        <fieldset className={styles.states}>
          <legend>State</legend>
          {STATES.map((state) => (
            <Link
              key={state}
              to="/inbox"
              search={{ status: state }}
              aria-current={state === status ? 'true' : undefined}
            >
              {sentenceCase(state)}
            </Link>
          ))}
        </fieldset>
      </div>
      <Answered query={query} what="The inbox">
        {() =>
          shown ? (
            <div className={styles.split}>
              <List inputs={inputs} opened={shown.id} onOpen={open} />
              <Opened key={shown.id} input={shown} />
            </div>
          ) : wanted !== undefined && gone.isLoading ? (
            <Loading what="the question" />
          ) : (
            <Panel label="Inbox">
              <Empty title={status === 'pending' ? 'Nothing waits for a person' : `Nothing is ${status}`}>
                <p>
                  A run that asks, and a call of an agent whose policy wants approval, appear here as soon as they do.
                </p>
              </Empty>
            </Panel>
          )
        }
      </Answered>
    </>
  )
}

type ListProps = { inputs: readonly InputRequest[]; opened: string; onOpen: (id: string) => void }

function List({ inputs, opened, onOpen }: ListProps) {
  const held = useHeldAnswers()
  return (
    <Panel label="Questions">
      <ul className={styles.list}>
        {inputs.map((input) => (
          <li key={input.id}>
            <button type="button" aria-current={input.id === opened} onClick={() => onOpen(input.id)}>
              <strong>{input.prompt}</strong>
              {held.get(input.id) && (
                <em>
                  <HeldWords held={held.get(input.id)!} />
                </em>
              )}
              <span>
                {sentenceCase(input.kind)} · {input.agent_id ?? 'run'} · <Time at={input.created_at} />
                {input.status === 'pending' && input.expires_at !== null && (
                  <>
                    {' · '}expires <Countdown to={input.expires_at} />
                  </>
                )}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

function Opened({ input }: { input: InputRequest }) {
  const expiry = input.on_expiry === 'fail' ? 'the run fails' : 'the default is taken as the answer'
  return (
    <div className={styles.opened}>
      <Panel title={input.kind === 'approval' ? 'To approve' : 'A question'} pad>
        <p className={styles.prompt}>{input.prompt}</p>
        <Facts
          items={[
            input.run_id !== null && ['Run', <RunLink key="run" id={input.run_id} />],
            input.agent_id !== null && [
              'Agent',
              <Link key="agent" to="/agents/$agent_id" params={{ agent_id: input.agent_id }}>
                {input.agent_id}
              </Link>,
            ],
            ['Asked', <Time key="asked" at={input.created_at} />],
            [
              'Expires',
              input.expires_at === null ? 'never' : <Expiry key="expires" at={input.expires_at} then={expiry} />,
            ],
            input.answered_by !== null && ['Answered by', <ActorName key="by" {...input.answered_by} />],
          ]}
        />
        {input.default && <JsonTree value={input.default} label="The default" />}
        {input.status === 'pending' ? (
          <AnswerForm input={input} hasKeys />
        ) : (
          <>
            <p role="status">
              <Outcome input={input} /> <Time at={input.answered_at} />
            </p>
            {input.answer && <JsonTree value={input.answer} label="The answer" />}
          </>
        )}
      </Panel>
      {input.run_id !== null && <Before runId={input.run_id} askedAt={input.created_at} />}
    </div>
  )
}

/** Who decided, and what. */
function Outcome({ input: { status, answer, answered_by } }: { input: InputRequest }) {
  if (status !== 'answered' || answered_by === null) return <>{sentenceCase(status)}</>
  const did = answer?.approved === true ? 'approved' : answer?.approved === false ? 'refused' : 'answered'
  return (
    <>
      <ActorName {...answered_by} /> {did} it
    </>
  )
}

const Expiry = ({ at, then }: { at: string; then: string }) => (
  <>
    <Time at={at} /> (<Countdown to={at} />
    ); then {then}
  </>
)

const CONTEXT = 12

/** The last things that happened in the run before it asked. */
function Before({ runId, askedAt }: { runId: string; askedAt: string }) {
  const query = useQuery({
    queryKey: ['run', runId, 'before', askedAt],
    queryFn: ({ signal }) => listRunEvents({ run_id: runId, limit: 500 }, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  })
  return (
    <Panel title="What led to it">
      <Answered query={query} what="What led to it">
        {({ data }) => (
          <ol className={styles.before}>
            {data
              .filter(({ recorded_at }) => recorded_at <= askedAt)
              .slice(-CONTEXT)
              .map((event) => (
                <li key={event.sequence}>
                  <code>{event.type}</code> {[event.step, event.tool].filter((it) => it !== null).join(' · ')}{' '}
                  {event.message}
                </li>
              ))}
          </ol>
        )}
      </Answered>
    </Panel>
  )
}
