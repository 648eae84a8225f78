// Ready-made policies, from the strictest to the most permissive, and two for common kinds of
// agents. docs/onceonly-governance.md lists them.

/** As a client sends them. */
export type RulesInput = {
  allowed_tools?: string[] | null | undefined
  blocked_tools?: string[] | null | undefined
  max_actions_per_hour?: number | null | undefined
  max_spend_usd_per_day?: number | null | undefined
  max_calls_per_tool?: Record<string, number> | null | undefined
  pricing_rules?: { tool: string; price_usd: number }[] | null | undefined
}

const READING = ['get_*', 'list_*', 'read_*', 'search_*', 'find_*', 'fetch_*']
/** Calls that cannot be undone. */
const DESTROYING = ['delete_*', 'drop_*', 'remove_*', 'purge_*']
const PAYING = ['pay_*', 'transfer_*', 'refund_*', 'charge_*']
const COMMANDING = ['exec_*', 'run_shell*', 'deploy_*']

export const TEMPLATES = {
  strict: {
    blocked_tools: [...DESTROYING, ...PAYING, ...COMMANDING],
    max_actions_per_hour: 50,
    max_spend_usd_per_day: 5,
  },
  moderate: {
    blocked_tools: [...DESTROYING, ...PAYING],
    max_actions_per_hour: 200,
    max_spend_usd_per_day: 25,
  },
  permissive: { max_actions_per_hour: 1_000, max_spend_usd_per_day: 200 },
  read_only: { allowed_tools: READING, max_actions_per_hour: 500, max_spend_usd_per_day: 10 },
  support_bot: {
    allowed_tools: [...READING, 'send_email', 'reply_*', 'create_ticket', 'update_ticket', 'escalate_*'],
    blocked_tools: [...DESTROYING, ...PAYING],
    max_actions_per_hour: 300,
    max_spend_usd_per_day: 20,
    max_calls_per_tool: { send_email: 500 },
  },
} as const satisfies Record<string, object>

export type TemplateName = keyof typeof TEMPLATES
export const TEMPLATE_NAMES = Object.keys(TEMPLATES) as TemplateName[]
export const rulesOf = (name: TemplateName): RulesInput => structuredClone(TEMPLATES[name]) as RulesInput
