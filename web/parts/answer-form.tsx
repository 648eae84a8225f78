// The answer to a question that a run or a policy asks: approve or refuse, with the params that may be edited open and the
// rest shown, or feedback by a form from its schema.
import { useState } from 'react'
import type { listInputs } from '../api/calls.ts'
import { answerInput } from '../api/calls.ts'
import { useMay } from '../api/session.ts'
import { useKeys } from '../frame/keys.ts'
import { useAct } from './act.ts'
import styles from './answer-form.module.css'
import { Button } from './button.tsx'
import { JsonTree } from './json-tree.tsx'
import { sentenceOf } from './notes.tsx'
import { JsonField, SchemaForm } from './schema-form.tsx'

export type InputRequest = Awaited<ReturnType<typeof listInputs>>['data'][number]

type Answer = { approved?: boolean; feedback?: unknown; params?: Record<string, unknown> }

export function AnswerForm({ input, hasKeys = false }: { input: InputRequest; hasKeys?: boolean }) {
  const may = useMay()
  const [isEditing, setEditing] = useState(false)
  const [remark, setRemark] = useState('')
  const [feedback, setFeedback] = useState<unknown>(input.default?.feedback)
  const [params, setParams] = useState<Record<string, unknown>>({})
  const [problem, setProblem] = useState<string | undefined>()
  const send = useAct(
    (answer: Answer) => answerInput({ input_request_id: input.id, ...answer }),
    ['inputs', 'run', 'runs', 'stats'],
  )
  const isApproval = input.kind === 'approval'
  const decide = (approved: boolean) => {
    if (problem !== undefined) return
    const edited = Object.keys(params).length > 0
    send.mutate({
      approved,
      ...(edited && approved && { params }),
      ...(remark.trim() !== '' && { feedback: remark.trim() }),
    })
  }
  const answer = () => {
    if (problem === undefined) send.mutate({ feedback: feedback ?? null })
  }
  const canEdit = input.editable_params.length > 0
  const mayAnswer = may('inputs:answer')
  useKeys(
    hasKeys && isApproval && mayAnswer && !send.isPending
      ? { a: () => decide(true), x: () => decide(false), e: () => canEdit && setEditing(true) }
      : {},
  )
  return (
    <div className={styles.form}>
      <Params input={input} isEditing={isEditing} onChange={setParams} onProblem={setProblem} edited={params} />
      {isApproval ? (
        <label className={styles.remark}>
          Remark (optional; the run is given it)
          <input value={remark} onChange={({ target }) => setRemark(target.value)} />
        </label>
      ) : (
        <SchemaForm
          label="Answer"
          schema={input.schema}
          value={feedback}
          onChange={(value, wrong) => {
            setFeedback(value)
            setProblem(wrong)
          }}
        />
      )}
      {send.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(send.error)}
        </p>
      )}
      {mayAnswer ? (
        <div className={styles.actions}>
          {isApproval ? (
            <>
              <Button
                look="main"
                hint={hasKeys ? 'a' : undefined}
                disabled={send.isPending}
                onClick={() => decide(true)}
              >
                Approve
              </Button>
              <Button
                look="danger"
                hint={hasKeys ? 'x' : undefined}
                disabled={send.isPending}
                onClick={() => decide(false)}
              >
                Refuse
              </Button>
              {canEdit && !isEditing && (
                <Button hint={hasKeys ? 'e' : undefined} onClick={() => setEditing(true)}>
                  Edit
                </Button>
              )}
            </>
          ) : (
            <Button look="main" disabled={send.isPending} onClick={answer}>
              Answer
            </Button>
          )}
        </div>
      ) : (
        <p className={styles.note}>
          To answer, your session needs the scope <code>inputs:answer</code>.
        </p>
      )}
    </div>
  )
}

type ParamsProps = {
  input: InputRequest
  isEditing: boolean
  edited: Record<string, unknown>
  onChange: (params: Record<string, unknown>) => void
  onProblem: (problem: string | undefined) => void
}

function Params({ input: { params, editable_params }, isEditing, edited, onChange, onProblem }: ParamsProps) {
  if (Object.keys(params).length === 0) return null
  if (!isEditing) return <JsonTree value={{ ...params, ...edited }} label="What it is about" />
  const kept = Object.fromEntries(Object.entries(params).filter(([name]) => !editable_params.includes(name)))
  return (
    <>
      {Object.keys(kept).length > 0 && <JsonTree value={kept} label="What stays as it is" />}
      {editable_params.map((name) => (
        <JsonField
          key={name}
          rows={2}
          label={name}
          value={edited[name] ?? params[name]}
          onChange={(value, problem) => {
            onProblem(problem)
            if (problem === undefined) onChange({ ...edited, [name]: value ?? null })
          }}
        />
      ))}
    </>
  )
}
