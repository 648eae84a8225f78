// Preloaded into a node's process (--import): its wall clock is off by CLOCK_SHIFT_MS, as on a machine that nobody set.
const shiftMs = Number(process.env.CLOCK_SHIFT_MS)
const RightDate = Date

globalThis.Date = class extends RightDate {
  constructor(...args: []) {
    if (args.length === 0) super(RightDate.now() + shiftMs)
    else super(...args)
  }
  static override now(): number {
    return RightDate.now() + shiftMs
  }
} as DateConstructor
