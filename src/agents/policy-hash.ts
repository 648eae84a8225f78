// What a policy is recognised by outside: the same rules have the same name, whoever set them and how often.
import { createHash } from 'node:crypto'
import { canonicalJson } from '#core/canonical.ts'
import { NO_POLICY, type Policy } from '#core/policy.ts'

export function policyHash(policy: Policy | null): string {
  const { maxSpendMicrousdPerRun, overBudget, ...rules } = policy ?? NO_POLICY
  // Rules that came later count only where they say something: what was there before keeps its name.
  const later = {
    ...(maxSpendMicrousdPerRun != null && { maxSpendMicrousdPerRun }),
    ...(overBudget != null && overBudget !== 'block' && { overBudget }),
  }
  return createHash('sha256')
    .update(canonicalJson({ ...rules, ...later }))
    .digest('hex')
    .slice(0, 12)
}

/** What a call is recognised by in the log, where its args themselves do not belong. */
export const hashOfArgs = (args: unknown): string => createHash('sha256').update(canonicalJson(args)).digest('hex')
