// The identity of a policy: equal rules have equal names, whoever set them and how often.
import { createHash } from 'node:crypto'
import { canonicalJson } from '#core/json/canonical.ts'
import { NO_POLICY, type Policy } from '#core/policy.ts'

export function policyHash(policy: Policy | null): string {
  const { maxSpendMicrousdPerRun, overBudget, ...rules } = policy ?? NO_POLICY
  // Rules that were added later count only if set: older policies keep their names.
  const later = {
    ...(maxSpendMicrousdPerRun != null && { maxSpendMicrousdPerRun }),
    ...(overBudget != null && overBudget !== 'block' && { overBudget }),
  }
  return createHash('sha256')
    .update(canonicalJson({ ...rules, ...later }))
    .digest('hex')
    .slice(0, 12)
}

/** The identity of a call in the log, which must not contain its args. */
export const hashOfArgs = (args: unknown): string => createHash('sha256').update(canonicalJson(args)).digest('hex')
