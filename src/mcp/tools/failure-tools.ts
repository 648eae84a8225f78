// What fails, in groups: where a model begins that is asked what is wrong.
import { listFailures } from '#contract/runs/ends.ts'
import { compact, fieldsOf, pick, type Tool } from '../tool.ts'

const FIELDS = Object.keys(fieldsOf(listFailures.query)).filter((name) => name !== 'limit')
const GROUPS = 20

export const FAILURE_TOOLS: readonly Tool[] = [
  {
    name: 'find_failures',
    title: 'Find failures',
    description:
      'Lists failures of the last 24 hours, or of another window, in groups of the same job, error code and message, the ' +
      'latest first. The runs of a group: find_runs with its error_group.',
    needs: 'runs:read',
    kind: 'reads',
    input: fieldsOf(listFailures.query, FIELDS),
    run: async ({ ask }, args) => {
      const { from, to, data, next_cursor } = await ask(listFailures, { ...pick(args, FIELDS), limit: GROUPS })
      const groups = data.map(({ versions, counts: _, job_id: __, ...group }) =>
        compact({ ...group, versions: versions.map(({ version }) => version) }),
      )
      return { from, to, groups, ...(next_cursor !== null && { next_cursor }) }
    },
  },
]
