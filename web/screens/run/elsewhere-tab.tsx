// The same run as the APIs of other products tell it: for migrations, and for whoever helps their users.
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { RunyardError } from '#sdk/error.ts'
import { BASE, readText } from '../../api/call.ts'
import { parseJson } from '../../api/json.ts'
import { Button } from '../../parts/button.tsx'
import { CopyButton } from '../../parts/copy.tsx'
import { JsonTree } from '../../parts/json-tree.tsx'
import { Loading } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import styles from './run.module.css'

const DIALECTS = [
  { name: 'Runyard', path: (id: string) => `/v1/runs/${id}` },
  { name: 'Strait', path: (id: string) => `/strait/v1/runs/${id}` },
  { name: 'OnceOnly', path: (id: string) => `/onceonly/v1/runs/${id}` },
  { name: 'Dynamiq', path: (id: string) => `/dynamiq/v1/runs/${id}` },
  { name: 'VirtuousAI', path: (id: string) => `/vai/api/v1/events/resource/run/${id}` },
] as const

export function ElsewhereTab({ run }: { run: Run }) {
  const [chosen, setChosen] = useState<(typeof DIALECTS)[number]>(DIALECTS[0])
  const path = chosen.path(encodeURIComponent(run.id))
  const query = useQuery({
    queryKey: ['run', run.id, 'elsewhere', path],
    queryFn: async ({ signal }) => parseJson(await readText(path, signal)),
    retry: false,
  })
  const tools = DIALECTS.map((dialect) => (
    <Button
      key={dialect.name}
      aria-pressed={dialect === chosen}
      look={dialect === chosen ? 'main' : 'plain'}
      onClick={() => setChosen(dialect)}
    >
      {dialect.name}
    </Button>
  ))
  return (
    <Panel title={`As ${chosen.name} tells it`} tools={tools} pad>
      <p className={styles.muted}>
        <code>GET {path}</code>
        <CopyButton label="Copy as curl" text={`curl -H "Authorization: Bearer $KEY" '${BASE}${path}'`} />
      </p>
      {query.data !== undefined ? (
        <JsonTree value={query.data} label={`Answer of ${chosen.name}`} />
      ) : query.error ? (
        <p role="alert" className={styles.muted}>
          {query.error instanceof RunyardError && query.error.status === 401
            ? 'This API takes keys, not the session of a browser: copy the command, and call it with a key.'
            : query.error.message}
        </p>
      ) : (
        <Loading what="the answer" />
      )}
    </Panel>
  )
}
