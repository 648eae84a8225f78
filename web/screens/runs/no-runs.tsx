import { BASE } from '../../api/call.ts'
import { Button } from '../../parts/button.tsx'
import { Snippet } from '../../parts/copy.tsx'
import { Empty } from '../../parts/notes.tsx'
import type { RunSearch } from './filters.ts'

type NoRunsProps = { search: RunSearch; show: (next: RunSearch) => void }

export function NoRuns({ search, show }: NoRunsProps) {
  if (Object.keys(search).length > 0)
    return (
      <Empty title="No run matches these filters">
        <p>Runs that retention has deleted are not found either.</p>
        <Button onClick={() => show({})}>Clear the filters</Button>
      </Empty>
    )
  return (
    <Empty title="No runs yet">
      <p>Create a job and trigger a run of it; it appears here by itself.</p>
      <Snippet label="Copy the commands" text={firstRun(BASE)} />
    </Empty>
  )
}

const firstRun = (url: string): string => `export URL=${url} KEY=…
api() { curl -sS -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' "$@"; echo; }
api $URL/v1/jobs -d '{"slug": "greet", "execution": "worker", "queue": "greetings"}'
api $URL/v1/jobs/greet/runs -d '{"payload": {"name": "Ada"}}'`
