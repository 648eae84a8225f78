// Shares the webhooks among the nodes: each takes some that nobody carries, renews their leases, and carries on what a
// node left that died. See docs/decisions/0029-webhooks.md.
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import {
  type CarriedWebhook,
  claimWebhooks,
  forgetCarrier,
  releaseLeases,
  renewLeases,
  reportCarrier,
} from './carriers.sql.ts'
import { carryWebhook } from './carry-webhook.ts'

const LEASE_SECS = 20
/** A lease is renewed several times before it ends. */
const RENEW_MS = 5_000

type Carried = { webhook: CarriedWebhook; stop: AbortController; ended: Promise<void>; isOver: boolean }

export function makeWebhookCarrier(ctx: Ctx, owner: string) {
  const carried = new Map<string, Carried>()
  let heldUntilMs = 0
  const lease = { owner, leaseSecs: LEASE_SECS }

  function carry(webhook: CarriedWebhook): void {
    const stop = new AbortController()
    const isHeld = () => performance.now() < heldUntilMs
    const one: Carried = { webhook, stop, isOver: false, ended: Promise.resolve() }
    carried.set(webhook.id, one)
    one.ended = carryWebhook(ctx, { webhook, isHeld, signal: stop.signal })
      .catch((error: unknown) =>
        ctx.log.error({ err: error, webhook: webhook.id }, 'carrying a webhook ended; it will be taken up again'),
      )
      .then(() => {
        one.isOver = true
        // Its settings have changed, or its lease is lost: what it is now, the next tick reads.
        if (!stop.signal.aborted) ctx.ring(['webhooks'])
      })
  }

  async function stopCarrying(those: readonly Carried[]): Promise<void> {
    for (const { stop } of those) stop.abort()
    await Promise.all(those.map(({ ended }) => ended))
    for (const one of those) if (carried.get(one.webhook.id) === one) carried.delete(one.webhook.id)
  }

  async function giveBack(those: readonly Carried[]): Promise<void> {
    await stopCarrying(those)
    const tokens = those.map(({ webhook }) => webhook.leaseToken)
    if (tokens.length > 0) await releaseLeases(ctx.sql, tokens)
  }

  /** Those it still holds go on; one that was changed begins again with its new settings. */
  async function renew(): Promise<void> {
    if (carried.size === 0) return
    const beganMs = performance.now()
    const tokens = [...carried.values()].map(({ webhook }) => webhook.leaseToken)
    const held = new Map((await renewLeases(ctx.sql, tokens, lease)).map((webhook) => [webhook.id, webhook]))
    heldUntilMs = beganMs + LEASE_SECS * 1_000
    const goesOn = ({ webhook, isOver }: Carried) => !isOver && held.get(webhook.id)?.revision === webhook.revision
    const changed = [...carried.values()].filter((one) => !goesOn(one))
    // One that was paused is free again: who resumes it must not wait for the end of the lease.
    const [kept, lost] = [true, false].map((is) => changed.filter(({ webhook }) => held.has(webhook.id) === is))
    await giveBack(lost!)
    await stopCarrying(kept!)
    // Read again: what it delivered until it was stopped is saved.
    const left = kept!.map(({ webhook }) => webhook.leaseToken)
    if (left.length > 0) for (const webhook of await renewLeases(ctx.sql, left, lease)) carry(webhook)
  }

  async function claim(countMax: number): Promise<void> {
    const beganMs = performance.now()
    const claimed = await claimWebhooks(ctx.sql, { ...lease, countMax })
    // All leases of this node count as renewed together; those of its first webhooks begin here.
    if (carried.size === 0) heldUntilMs = beganMs + LEASE_SECS * 1_000
    for (const webhook of claimed) carry(webhook)
  }

  const duty: Duty = {
    name: 'webhooks',
    everyMs: RENEW_MS,
    topics: ['webhooks'],
    async tick() {
      const share = await reportCarrier(ctx.sql, owner)
      await renew()
      const free = share - carried.size
      if (free < 0) await giveBack([...carried.values()].slice(free))
      if (free > 0) await claim(free)
      return { inMs: undefined }
    },
  }
  async function stop(): Promise<void> {
    await giveBack([...carried.values()])
    await forgetCarrier(ctx.sql, owner)
    ctx.ring(['webhooks'])
  }
  return { duty, stop }
}
