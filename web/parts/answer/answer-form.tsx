// The answer to a question that a run or a policy asks: approve or refuse, with the params that may be edited open and the
// rest shown, or feedback by a form from its schema.
import { useState } from 'react'
import type { listInputs } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { useKeys } from '../../frame/keys.ts'
import { Button } from '../button.tsx'
import { JsonTree } from '../json-tree.tsx'
import { sentenceOf } from '../notes.tsx'
import { JsonField, SchemaForm } from '../schema-form.tsx'
import styles from './answer-form.module.css'
import { HeldNote } from './held-answer.tsx'
import { holdAnswer, takeBackAnswer, useHeldAnswers } from './held-answers.ts'

export type InputRequest = Awaited<ReturnType<typeof listInputs>>['data'][number]

export function AnswerForm({ input, hasKeys = false }: { input: InputRequest; hasKeys?: boolean }) {
  const may = useMay()
  const [isEditing, setEditing] = useState(false)
  const [remark, setRemark] = useState('')
  const [feedback, setFeedback] = useState<unknown>(input.default?.feedback)
  const [params, setParams] = useState<Record<string, unknown>>({})
  const [problem, setProblem] = useState<string | undefined>()
  const held = useHeldAnswers().get(input.id)
  const isHeld = held !== undefined && held.state !== 'failed'
  const isApproval = input.kind === 'approval'
  const decide = (approved: boolean) => {
    if (problem !== undefined) return
    const edited = Object.keys(params).length > 0
    holdAnswer(input.id, {
      approved,
      ...(edited && approved && { params }),
      ...(remark.trim() !== '' && { feedback: remark.trim() }),
    })
  }
  const answer = () => {
    if (problem === undefined) holdAnswer(input.id, { feedback: feedback ?? null })
  }
  const canEdit = input.editable_params.length > 0
  const mayAnswer = may('inputs:answer')
  useAnswerKeys(hasKeys && mayAnswer, {
    undo: isHeld ? () => takeBackAnswer(input.id) : undefined,
    decide: isApproval && !isHeld ? decide : undefined,
    edit: canEdit && !isHeld ? () => setEditing(true) : undefined,
    answer: isApproval || isHeld ? undefined : answer,
  })
  return (
    <div className={styles.form}>
      {/* What was answered is what is sent. */}
      <div className={styles.form} inert={isHeld}>
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
      </div>
      {held?.state === 'failed' && (
        <p role="alert" className={styles.error}>
          {sentenceOf(held.error)}
        </p>
      )}
      {mayAnswer ? (
        <div className={styles.actions}>
          {isHeld ? (
            <HeldNote inputId={input.id} held={held} hasKeys={hasKeys} />
          ) : isApproval ? (
            <>
              <Button look="main" hint={hasKeys ? 'a' : undefined} onClick={() => decide(true)}>
                Approve
              </Button>
              <Button look="danger" hint={hasKeys ? 'x' : undefined} onClick={() => decide(false)}>
                Refuse
              </Button>
              {canEdit && !isEditing && (
                <Button hint={hasKeys ? 'e' : undefined} onClick={() => setEditing(true)}>
                  Edit
                </Button>
              )}
            </>
          ) : (
            <Button look="main" onClick={answer}>
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

type Acts = {
  undo: (() => void) | undefined
  decide: ((approved: boolean) => void) | undefined
  edit: (() => void) | undefined
  answer: (() => void) | undefined
}

function useAnswerKeys(isOn: boolean, { undo, decide, edit, answer }: Acts): void {
  useKeys(
    isOn
      ? {
          ...(undo && { u: undo }),
          ...(decide && { a: () => decide(true), x: () => decide(false) }),
          ...(edit && { e: edit }),
          ...(answer && { 'Mod+Enter': answer }),
        }
      : {},
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
