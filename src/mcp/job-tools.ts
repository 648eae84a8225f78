// Jobs as tools: a job with the tag `mcp: tool` is offered to models under its own name and with its own schema.
import { getJob, listJobs } from '#contract/jobs.ts'
import { type Args, type Context, type Schema, type Tool, textField } from './tool.ts'
import { triggerAndWait } from './tools/act-tools.ts'

const TAG = 'mcp:tool'
const JOBS_MAX = 100
const WAIT_SECS = 20
const PREFIX = 'job_'
/** What clients take as the name of a tool. */
const NAME_LENGTH_MAX = 64
const KEY = 'idempotency_key'

/** What the list of tools and a call of one need to know. */
type Offered = {
  slug: string
  name: string
  description: string
  payload_schema: Schema | null
  tags: Record<string, string>
  enabled: boolean
}

export async function jobTools({ ask }: Pick<Context, 'ask'>): Promise<Tool[]> {
  const { data } = await ask(listJobs, { tag: [TAG], limit: JOBS_MAX })
  return data.filter(isOffered).map(toolOf)
}

/** The tool of that name; undefined when its job does not exist or is not offered. */
export async function findJobTool({ ask }: Pick<Context, 'ask'>, name: string): Promise<Tool | undefined> {
  if (!name.startsWith(PREFIX)) return undefined
  const { data } = await ask(listJobs, { slug: name.slice(PREFIX.length), limit: 1 })
  const job = data[0]
  return job && isOffered(job) ? toolOf(await ask(getJob, { job: job.slug })) : undefined
}

const isOffered = ({ tags, enabled, slug }: Offered): boolean =>
  enabled && tags.mcp === 'tool' && PREFIX.length + slug.length <= NAME_LENGTH_MAX

const isObjectSchema = (
  schema: Schema | null,
): schema is Schema & { properties: Record<string, Schema>; required?: string[] } =>
  schema?.type === 'object' && typeof schema.properties === 'object' && !Object.hasOwn(schema.properties ?? {}, KEY)

/** References in a schema are from its root, which is that of the tool now. */
const definitionsOf = (schema: Schema | null): Schema =>
  Object.fromEntries(Object.entries(schema ?? {}).filter(([name]) => name === '$defs' || name === 'definitions'))

function toolOf({ slug, name, description, payload_schema: schema }: Offered): Tool {
  const whole = !isObjectSchema(schema)
  const payload = whole ? { payload: schema ?? { description: 'Payload of the run: any JSON.' } } : schema.properties
  const required = whole ? [] : (schema.required ?? [])
  return {
    name: PREFIX + slug,
    title: name,
    description: `${description || `Runs the job ${slug}.`} Waits up to ${WAIT_SECS} seconds for the result, and returns the handle of the run otherwise.`,
    needs: 'runs:trigger',
    kind: 'adds',
    input: { ...payload, [KEY]: textField('The same key returns the same run again; give it when repeating a call.') },
    definitions: definitionsOf(schema),
    required,
    run: async (context, args) => {
      const { [KEY]: key, ...rest } = args as Args & { [KEY]?: unknown }
      const input = { job: slug, payload: whole ? (rest.payload ?? null) : rest }
      return triggerAndWait(context, { ...input, ...(typeof key === 'string' && { idempotency_key: key }) }, WAIT_SECS)
    },
  }
}
