// Tells clients of the gateway when the list of their tools has changed: because of the policy or the switch of their
// agent, or because of a tool server. Streams stay on the node that opened them; what changed is in the database.
import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import type { ServerEvent, ServerEventBus } from '@modelcontextprotocol/server'
import type { Ctx } from '#bell/ctx.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { listOffered } from '#gateway/offered-tools.ts'

type Agent = { projectId: string; agentId: string }
type Watching = Agent & { listener: (event: ServerEvent) => void; seen: string | undefined }

/** Rings may be lost. */
const LOOK_MS = 60_000

type ListWatch = {
  bus: ServerEventBus
  /** Streams that are opened within watch this agent. */
  of: <T>(agent: Agent, serve: () => T) => T
  close: () => void
}

export function watchLists(ctx: Ctx): ListWatch {
  const serving = new AsyncLocalStorage<Agent>()
  const watching = new Set<Watching>()
  const closing = new AbortController()
  let looping = false

  async function look(): Promise<void> {
    for (const one of [...watching]) {
      const seen = await fingerprintOf(ctx, one)
      const isNews = one.seen !== undefined && one.seen !== seen
      one.seen = seen
      if (isNews && watching.has(one)) one.listener({ kind: 'tools_list_changed' })
    }
  }

  /** Only while somebody watches. */
  async function loop(): Promise<void> {
    if (looping) return
    looping = true
    while (watching.size > 0 && !closing.signal.aborted) {
      const listening = ctx.listen(['switches', 'tool-servers'])
      try {
        await look().catch((error: unknown) =>
          ctx.log.warn({ err: error }, 'the tools of an agent could not be listed'),
        )
        await listening.rung(LOOK_MS, closing.signal)
      } finally {
        listening.close()
      }
    }
    looping = false
  }

  return {
    of: (agent, serve) => serving.run(agent, serve),
    bus: {
      publish(event) {
        for (const { listener } of [...watching]) listener(event)
      },
      subscribe(listener) {
        const agent = serving.getStore()
        if (!agent) throw new Error('a stream was opened for no agent')
        const one: Watching = { ...agent, listener, seen: undefined }
        watching.add(one)
        void fingerprintOf(ctx, one).then(
          (seen) => {
            one.seen ??= seen
          },
          () => {},
        )
        void loop()
        return () => void watching.delete(one)
      },
    },
    close: () => closing.abort(),
  }
}

async function fingerprintOf(ctx: Ctx, agent: Agent): Promise<string> {
  const tools = (await listOffered(ctx, agent)).map(({ name, about }) => [name, about])
  return createHash('sha256').update(canonicalJson(tools)).digest('hex')
}
