// What is wrong with a question that a run asks, or with the answer of a person.
import { problemsUnder, schemaProblem } from '#access/schema/json-schema.ts'
import { refuse, refuseField } from '#core/error.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { Json } from '#core/json/json.ts'
import { own } from '#core/own.ts'
import type { InputAnswer, InputKind, InputRow } from './input-requests.sql.ts'

export type Question = {
  kind: InputKind
  prompt: string
  params: Json
  editableParams: string[]
  schema: Record<string, unknown> | null
  expiresInSecs: number | null
  onExpiry: 'default' | 'fail'
  defaultAnswer: InputAnswer | null
  agentId: string | null
  key: string | null
  assignee: string | null
}

/** Throws what is wrong with it. */
export async function checkQuestion(projectId: string, question: Question): Promise<void> {
  const { kind, schema, params, editableParams, onExpiry, defaultAnswer, expiresInSecs } = question
  if (schema) {
    if (kind === 'approval') throw refuseField('schema', 'goes with feedback only')
    const problem = await schemaProblem(schema, projectId)
    if (problem) throw refuseField('schema', problem)
  }
  const named = params.members()
  const unknown = editableParams.find((name) => !Object.hasOwn(named, name))
  if (unknown !== undefined) throw refuseField('editable_params', `names ${unknown}, which is not in params`)
  if (onExpiry === 'default' && expiresInSecs !== null && !defaultAnswer)
    throw refuseField('default', 'is required, unless the request does not expire or fails its run when it does')
  if (defaultAnswer) await checkAnswer({ projectId, kind, schema, params, editableParams }, defaultAnswer, 'default.')
}

type Asked = Pick<InputRow, 'projectId' | 'kind' | 'schema' | 'params' | 'editableParams'>

/** Throws what is wrong with an answer to this question. */
export async function checkAnswer(asked: Asked, answer: InputAnswer, prefix = ''): Promise<void> {
  if (asked.kind === 'approval' && answer.approved === undefined) throw refuseField(`${prefix}approved`, 'is required')
  if (asked.kind === 'feedback' && answer.feedback === undefined) throw refuseField(`${prefix}feedback`, 'is required')
  // A form sends back everything it was shown: only values that differ were edited.
  const params = asked.params.members()
  const fixed = Object.entries(answer.params?.members() ?? {}).find(
    ([name, value]) =>
      !asked.editableParams.includes(name) &&
      !(Object.hasOwn(params, name) && canonicalJson(value) === canonicalJson(own(params, name))),
  )?.[0]
  if (fixed !== undefined) throw refuseField(`${prefix}params.${fixed}`, 'may not be edited')
  const { projectId, schema } = asked
  const about = { projectId, value: answer.feedback, name: `${prefix}feedback` }
  const fields = schema ? await problemsUnder({ ...about, schema }) : []
  if (fields.length > 0) throw refuse('invalid', { fields })
}
