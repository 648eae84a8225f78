// A form made from a JSON Schema whose fields are plain values, and a field for JSON otherwise. The server checks what is
// sent; the form only helps to write it.
import { useId, useState } from 'react'
import { jsonText, parseJson } from '../api/json.ts'
import styles from './schema-form.module.css'

type Schema = Readonly<Record<string, unknown>>
type Field = { name: string; schema: Schema; isRequired: boolean }

const PLAIN: ReadonlySet<unknown> = new Set(['string', 'number', 'integer', 'boolean'])
const FIELDS_MAX = 30

/** Undefined for a schema that is more than a list of plain fields. */
function fieldsOf(schema: Schema | null | undefined): Field[] | undefined {
  if (schema?.type !== 'object' || typeof schema.properties !== 'object' || schema.properties === null) return
  const required = Array.isArray(schema.required) ? schema.required : []
  const fields = Object.entries(schema.properties as Record<string, Schema>).map(([name, field]) => ({
    name,
    schema: field,
    isRequired: required.includes(name),
  }))
  if (fields.length === 0 || fields.length > FIELDS_MAX) return
  return fields.every((it) => PLAIN.has(it.schema?.type) || Array.isArray(it.schema?.enum)) ? fields : undefined
}

type SchemaFormProps = {
  schema: Schema | null | undefined
  value: unknown
  onChange: (value: unknown, problem: string | undefined) => void
  label: string
}

export function SchemaForm({ schema, value, onChange, label }: SchemaFormProps) {
  const fields = fieldsOf(schema)
  const [asJson, setAsJson] = useState(false)
  if (!fields || asJson) return <JsonField value={value} onChange={onChange} label={label} />
  const values = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const set = (name: string, next: unknown) => {
    const { [name]: _, ...rest } = values
    onChange(next === undefined ? rest : { ...rest, [name]: next }, undefined)
  }
  return (
    <fieldset className={styles.form}>
      <legend className={styles.legend}>{label}</legend>
      {fields.map((field) => (
        <FieldInput
          key={field.name}
          field={field}
          value={values[field.name]}
          onChange={(next) => set(field.name, next)}
        />
      ))}
      <button type="button" className={styles.switch} onClick={() => setAsJson(true)}>
        Write it as JSON
      </button>
    </fieldset>
  )
}

type FieldInputProps = { field: Field; value: unknown; onChange: (value: unknown) => void }

function FieldInput({ field: { name, schema, isRequired }, value, onChange }: FieldInputProps) {
  const id = useId()
  const words = typeof schema.description === 'string' ? schema.description : undefined
  return (
    <div className={styles.field}>
      <label htmlFor={id}>
        {typeof schema.title === 'string' ? schema.title : name}
        {isRequired && <span title="required"> *</span>}
      </label>
      <ValueInput {...{ id, schema, value, isRequired, onChange }} />
      {words !== undefined && <small>{words}</small>}
    </div>
  )
}

type ValueInputProps = {
  id: string
  schema: Schema
  value: unknown
  isRequired: boolean
  onChange: (value: unknown) => void
}

function ValueInput({ id, schema, value, isRequired, onChange }: ValueInputProps) {
  if (Array.isArray(schema.enum)) {
    const at = schema.enum.indexOf(value)
    return (
      <select id={id} value={at} onChange={({ target }) => onChange((schema.enum as unknown[])[Number(target.value)])}>
        <option value={-1}>–</option>
        {schema.enum.map((it, index) => (
          <option key={String(it)} value={index}>
            {String(it)}
          </option>
        ))}
      </select>
    )
  }
  if (schema.type === 'boolean')
    return (
      <input id={id} type="checkbox" checked={value === true} onChange={({ target }) => onChange(target.checked)} />
    )
  if (schema.type === 'string')
    return (
      <input
        id={id}
        value={typeof value === 'string' ? value : ''}
        required={isRequired}
        onChange={({ target }) => onChange(target.value === '' && !isRequired ? undefined : target.value)}
      />
    )
  return (
    <input
      id={id}
      inputMode="decimal"
      value={value === undefined ? '' : String(value)}
      required={isRequired}
      onChange={({ target }) => onChange(numberOf(target.value))}
    />
  )
}

/** What is not a number yet stays text, and the server names the field. */
function numberOf(text: string): unknown {
  if (text.trim() === '') return undefined
  const number = Number(text)
  return Number.isNaN(number) || text.endsWith('.') ? text : number
}

type JsonFieldProps = Omit<SchemaFormProps, 'schema'> & { rows?: number }

export function JsonField({ value, onChange, label, rows = 8 }: JsonFieldProps) {
  const [text, setText] = useState(() => (value === undefined ? '' : jsonText(value)))
  const [problem, setProblem] = useState<string | undefined>()
  const change = (next: string) => {
    setText(next)
    const read = readJson(next)
    setProblem(read.problem)
    onChange(read.value, read.problem)
  }
  return (
    <label className={styles.json}>
      {label}
      <textarea
        rows={rows}
        value={text}
        spellCheck={false}
        aria-invalid={problem !== undefined}
        onChange={({ target }) => change(target.value)}
      />
      {problem !== undefined && <small role="alert">{problem}</small>}
    </label>
  )
}

function readJson(text: string): { value: unknown; problem: string | undefined } {
  if (text.trim() === '') return { value: undefined, problem: undefined }
  try {
    return { value: parseJson(text), problem: undefined }
  } catch (error) {
    return { value: undefined, problem: `This is not JSON: ${(error as Error).message}` }
  }
}
