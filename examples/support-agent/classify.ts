// What a message is about. Rules, so that the example needs no model; an agent with one would ask it here.

export type Message = { kind: 'refund' | 'status' | 'other'; orderId: string | null }

const REFUND = /\b(refund|money back|return(ed)?|broken|damaged)\b/i
const STATUS = /\b(where|when|status|track(ing)?|arrive[ds]?|delivery)\b/i
const ORDER = /\b([A-Z]{2}-\d{4,8})\b/

export function classify(text: string): Message {
  const kind = REFUND.test(text) ? 'refund' : STATUS.test(text) ? 'status' : 'other'
  return { kind, orderId: ORDER.exec(text)?.[1] ?? null }
}
