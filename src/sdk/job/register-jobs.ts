// Makes the server know jobs as they are defined: creates those that are missing, and changes those that differ.
import type { JobPatch } from '#contract/job.ts'
import type { Client } from '../client.ts'
import { RunyardError } from '../error.ts'
import type { AnyJob, RunnableJob } from './job.ts'

type Wire = RunnableJob['wire']

/** `missing` leaves jobs alone that exist. */
export type Registration = true | 'missing'

/** How `registerJobs` treats jobs that are there: `true` changes those that differ, `'missing'` leaves them alone. */
export type Registering = {
  registration: Registration
  /** Told what was created and changed, and what the server would not take. */
  log: { info: (line: string) => void; warn: (line: string) => void }
}

/** Returns the signing secrets of the jobs behind URLs that it has created, by name: the server shows each of them once. */
export async function registerJobs(
  client: Client,
  jobs: readonly AnyJob[],
  options: Registering,
): Promise<Map<string, string>> {
  const secrets = new Map<string, string>()
  for (const { name, definition } of jobs) {
    const secret = await registerJob(client, definition.wire, options)
    if (secret !== undefined && definition.wire.execution === 'http') secrets.set(name, secret)
  }
  return secrets
}

async function registerJob(client: Client, wire: Wire, options: Registering): Promise<string | undefined> {
  const { registration, log } = options
  try {
    const created = await client.createJob(wire)
    log.info(`Job ${wire.slug} was created, with queue ${created.queue}`)
    return created.signing_secret
  } catch (error) {
    const refused = refusedSchemas(error, wire)
    if (refused) {
      log.warn(schemaWarning(wire, error))
      return registerJob(client, { ...wire, ...refused }, options)
    }
    if (!(error instanceof RunyardError) || error.code !== 'job_exists') throw error
    if (registration === true) await updateJob(client, wire, options)
    return undefined
  }
}

async function updateJob(client: Client, wire: Wire, { log }: Registering): Promise<void> {
  const job = await client.getJob({ job: wire.slug })
  const has = new Map(Object.entries<unknown>(job))
  const changed = Object.entries(wire).filter(([field, value]) => canonical(has.get(field)) !== canonical(value))
  if (changed.length === 0) return
  try {
    const { version } = await client.updateJob({ job: wire.slug, ...(Object.fromEntries(changed) as JobPatch) })
    // Secrets in headers are masked when they are read: only the server knows whether they differ.
    if (version === job.version) return
    for (const [field, value] of changed) {
      log.info(
        `Job ${wire.slug}: ${field} was ${shown(field, has.get(field))}, and is now ${shown(field, value)} (version ${version})`,
      )
    }
  } catch (error) {
    const refused = refusedSchemas(error, wire)
    if (!refused) throw error
    log.warn(schemaWarning(wire, error))
    await updateJob(client, { ...wire, ...refused }, { registration: true, log })
  }
}

const SCHEMAS = ['payload_schema', 'result_schema'] as const

/**
 * The schemas that the server does not take, as null; undefined when the error is about something else. It refuses
 * patterns with look-ahead, for example, which some schema libraries write.
 */
function refusedSchemas(error: unknown, wire: Wire): Partial<Wire> | undefined {
  if (!(error instanceof RunyardError) || error.code !== 'invalid') return undefined
  const { fields } = error.details as { fields?: readonly { field: string }[] }
  const named = new Set(fields?.map(({ field }) => field))
  const refused = SCHEMAS.filter((schema) => named.has(schema) && wire[schema] != null)
  return refused.length === 0 ? undefined : Object.fromEntries(refused.map((schema) => [schema, null]))
}

const schemaWarning = ({ slug }: Wire, error: unknown): string =>
  `The server does not take a schema of job ${slug}, so only workers check it: ${(error as Error).message}`

const SHOWN_MAX = 80

function shown(field: string, value: unknown): string {
  // Values of headers may be secrets, which logs must not hold.
  if (field === 'endpoint_headers')
    return (
      Object.keys(value ?? {})
        .sort()
        .join(', ') || 'none'
    )
  const text = JSON.stringify(value) ?? 'not set'
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX - 1)}…` : text
}

/** The same text for the same value, whatever the order of its keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  )
}
