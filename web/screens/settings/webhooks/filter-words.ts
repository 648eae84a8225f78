import type { Webhook } from '../../../api/webhooks.ts'
import { stateWord } from '../../../look/words.ts'

type Filter = Pick<Webhook, 'types' | 'jobs' | 'agents' | 'states' | 'tags'>

/** What a webhook is sent, in a line. */
export function filterWords({ types, jobs, agents, states, tags }: Filter): string {
  const parts = [
    types.length > 0 && types.join(', '),
    jobs.length > 0 && `jobs ${jobs.join(', ')}`,
    agents.length > 0 && `agents ${agents.join(', ')}`,
    states.length > 0 && `states ${states.map(stateWord).join(', ')}`,
    Object.keys(tags).length > 0 && `tags ${tagLines(tags).join(', ')}`,
  ].filter((part) => part !== false)
  return parts.length > 0 ? parts.join(' · ') : 'all events'
}

/** "name=value", and "name" alone for any value. */
export const tagLines = (tags: Filter['tags']): string[] =>
  Object.entries(tags).map(([name, value]) => (value === null ? name : `${name}=${value}`))

export const tagsOf = (lines: readonly string[]): Filter['tags'] =>
  Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf('=')
      return at < 0 ? [line, null] : [line.slice(0, at).trim(), line.slice(at + 1).trim()]
    }),
  )
