// What caused what, in the whole chain that the run belongs to: a run, an agent, an operation or a person.
import { useQuery } from '@tanstack/react-query'
import type { Run } from '#contract/runs/run.ts'
import { readChainTree } from '../../api/calls.ts'
import { counted, shortId } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { ActorName, RunLink } from '../../parts/id.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Time } from '../../parts/time.tsx'
import styles from './run.module.css'

const INDENT = 14
const DEPTH_SHOWN_MAX = 20
const SHOWN_MAX = 400

export function CausesTab({ run }: { run: Run }) {
  const query = useQuery({
    queryKey: ['run', run.id, 'tree', run.correlation_id],
    queryFn: ({ signal }) => readChainTree({ correlation_id: run.correlation_id }, { signal }),
  })
  return (
    <Answered query={query} what="The causes">
      {({ data, truncated }) => (
        <Panel
          title={`${counted(data.length, 'event')} with the correlation ${shortId(run.correlation_id)}${truncated ? ', the oldest of more' : ''}`}
        >
          <ol className={styles.tree}>
            {data.slice(0, SHOWN_MAX).map((node) => (
              <li
                key={node.id}
                className={`${styles.node} ${node.run_id === run.id ? styles.here : ''}`}
                style={{ marginLeft: Math.min(node.depth, DEPTH_SHOWN_MAX) * INDENT }}
              >
                <code>{node.type}</code>
                <span className={styles.muted}>
                  <Time at={node.occurred_at} /> by{' '}
                  <ActorName type={node.actor_type} id={node.actor_id} name={node.actor_name} />
                </span>
                {node.run_id !== null && node.run_id !== run.id && <RunLink id={node.run_id} />}
                {node.run_id === null && node.resource_type !== null && (
                  <span className={styles.muted}>
                    {node.resource_type} {node.resource_id}
                  </span>
                )}
              </li>
            ))}
          </ol>
          {data.length > SHOWN_MAX && (
            <p className={styles.muted}>
              {counted(data.length - SHOWN_MAX, 'event')} more; the screen Events has them all.
            </p>
          )}
        </Panel>
      )}
    </Answered>
  )
}
