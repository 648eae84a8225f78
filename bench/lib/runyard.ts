// The product in a process of its own, as `npm start` runs it.
import { fileURLToPath } from 'node:url'
import { type Server, startServer } from './child.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export const BENCH_KEY = 'bench-key-of-no-value'

export function startRunyard(databaseUrl: string, env: NodeJS.ProcessEnv = {}): Promise<Server> {
  return startServer(process.execPath, [MAIN], {
    ready: /Runyard is ready at (http:\S+)/,
    env: {
      DATABASE_URL: databaseUrl,
      HOST: '127.0.0.1',
      PORT: '0',
      REDIS_URL: '',
      RUNYARD_API_KEY: BENCH_KEY,
      RUNYARD_DEMO: 'off',
      RUNYARD_EGRESS: 'any',
      LOG_LEVEL: 'error',
      // One key makes all requests here; what is measured is not the limiter's verdict.
      RUNYARD_RATE_LIMIT: '1000000000',
      ...env,
    },
  })
}
