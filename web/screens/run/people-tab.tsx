// What people were asked by this run, and who answered what.
import { AnswerForm, type InputRequest } from '../../parts/answer/answer-form.tsx'
import { ActorName } from '../../parts/id.tsx'
import { JsonTree } from '../../parts/json-tree.tsx'
import { Empty } from '../../parts/notes.tsx'
import { Facts, Panel } from '../../parts/panel.tsx'
import { Time } from '../../parts/time.tsx'
import styles from './run.module.css'

export function PeopleTab({ inputs }: { inputs: readonly InputRequest[] }) {
  if (inputs.length === 0)
    return <Empty title="Nobody was asked anything">A run asks people by an input request.</Empty>
  return (
    <div className={styles.columns}>
      {inputs.map((input) => (
        <Panel key={input.id} title={input.prompt} pad>
          <Facts
            items={[
              ['Kind', input.kind],
              ['State', input.status],
              ['Asked', <Time key="asked" at={input.created_at} />],
              ['Expires', <Time key="expires" at={input.expires_at} none="never" />],
              input.answered_by !== null && ['Answered by', <ActorName key="by" {...input.answered_by} />],
            ]}
          />
          {input.status === 'pending' ? (
            <AnswerForm input={input} />
          ) : (
            input.answer && <JsonTree value={input.answer} label="Answer" />
          )}
        </Panel>
      ))}
    </div>
  )
}
