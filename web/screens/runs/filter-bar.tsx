// Filters are typed as `name:value`, with the API's own names, and stand as chips.
import { useNavigate } from '@tanstack/react-router'
import { X } from 'lucide-react'
import { type FormEvent, type RefObject, useState } from 'react'
import { BASE } from '../../api/call.ts'
import { Button } from '../../parts/button.tsx'
import { CopyButton } from '../../parts/copy.tsx'
import { many, stringifySearch } from '../../routing/search.ts'
import { chipsOf, FILTER_WORDS, isList, RUN_FILTERS, type RunFilterName, type RunSearch } from './filters.ts'
import styles from './runs.module.css'

type FilterBarProps = {
  search: RunSearch
  show: (next: RunSearch) => void
  field: RefObject<HTMLInputElement | null>
}

const isFilter = (name: string): name is RunFilterName => RUN_FILTERS.some((it) => it === name)

export function FilterBar({ search, show, field }: FilterBarProps) {
  const navigate = useNavigate()
  const [text, setText] = useState('')
  const [problem, setProblem] = useState<string | undefined>()
  const add = (event: FormEvent) => {
    event.preventDefault()
    const [name = '', ...rest] = text.trim().split(':')
    const value = rest.join(':').trim()
    if (text.trim() === '') return
    if (rest.length === 0) return void navigate({ to: '/runs/$run_id', params: { run_id: name } })
    if (!isFilter(name) || value === '') return setProblem(`Filters are ${RUN_FILTERS.join(', ')}.`)
    setProblem(undefined)
    setText('')
    show({ ...search, [name]: isList(name) ? [...many(search[name]), value] : value })
  }
  const drop = (name: RunFilterName, value: string) => {
    const { [name]: _, ...rest } = search
    const left = many(search[name]).filter((it) => it !== value)
    show(left.length > 0 ? { ...rest, [name]: left } : rest)
  }
  const chips = chipsOf(search)
  return (
    <form className={styles.filters} onSubmit={add}>
      {chips.map(({ name, value }) => (
        <span key={`${name} ${value}`} className={styles.chip}>
          {FILTER_WORDS[name]} <b>{value}</b>
          <button
            type="button"
            aria-label={`Drop the filter ${FILTER_WORDS[name]} ${value}`}
            onClick={() => drop(name, value)}
          >
            <X size={12} aria-hidden="true" />
          </button>
        </span>
      ))}
      <input
        ref={field}
        value={text}
        onChange={({ target }) => setText(target.value)}
        list="run-filters"
        aria-label="Add a filter, or the id of a run to open"
        placeholder="job:greet   tag:team:care   agent_id:bot   or an id"
        spellCheck={false}
        autoComplete="off"
      />
      <datalist id="run-filters">
        {RUN_FILTERS.filter((name) => name !== 'status').map((name) => (
          <option key={name} value={`${name}:`}>
            {FILTER_WORDS[name]}
          </option>
        ))}
      </datalist>
      {(chips.length > 0 || search.status !== undefined) && (
        <Button look="quiet" onClick={() => show({})}>
          Clear
        </Button>
      )}
      <CopyButton
        label="Copy as curl"
        text={`curl -H "Authorization: Bearer $KEY" '${BASE}/v1/runs${stringifySearch(search)}'`}
      />
      {problem !== undefined && <p role="alert">{problem}</p>}
    </form>
  )
}
