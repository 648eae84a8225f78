// How to reach this server, with its own address: by curl, a worker, and the clients of four other products.
import { BASE } from '../../api/call.ts'
import { Snippet } from '../../parts/copy.tsx'
import { Panel } from '../../parts/panel.tsx'

const DIALECTS = [
  ['Strait', '/strait'],
  ['OnceOnly', '/onceonly'],
  ['Dynamiq', '/dynamiq'],
  ['VirtuousAI', '/vai'],
] as const

export function Connect() {
  return (
    <>
      <Panel title="curl" pad>
        <Snippet label="Copy the command" text={`export KEY=…\ncurl -H "Authorization: Bearer $KEY" ${BASE}/v1/runs`} />
        <p>
          The whole API is at <a href={`${BASE}/docs/`}>/docs</a>.
        </p>
      </Panel>
      <Panel title="A worker in TypeScript" pad>
        <Snippet label="Copy the program" text={worker(BASE)} />
      </Panel>
      <Panel title="Clients of other products: change their base URL" pad>
        {DIALECTS.map(([name, path]) => (
          <div key={name}>
            <h3>{name}</h3>
            <Snippet label={`Copy the base URL for ${name}`} text={`${BASE}${path}`} />
          </div>
        ))}
      </Panel>
    </>
  )
}

const worker = (url: string): string => `import { createClient } from '#sdk/client.ts'
import { startWorker } from '#sdk/worker.ts'

const client = createClient({ baseUrl: '${url}', credential: process.env.KEY! })

startWorker({
  client,
  workerId: 'me',
  queues: ['default'],
  concurrency: 10,
  handle: async ({ payload }) => ({ said: \`Hello, \${payload.name}\` }),
})`
