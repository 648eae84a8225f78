// What a policy is recognised by outside: the same rules have the same name, whoever set them and how often.
import { createHash } from 'node:crypto'
import { canonicalJson } from '#core/canonical.ts'
import { NO_POLICY, type Policy } from '#core/policy.ts'

export const policyHash = (policy: Policy | null): string =>
  createHash('sha256')
    .update(canonicalJson(policy ?? NO_POLICY))
    .digest('hex')
    .slice(0, 12)

/** What a call is recognised by in the log, where its args themselves do not belong. */
export const hashOfArgs = (args: unknown): string => createHash('sha256').update(canonicalJson(args)).digest('hex')
