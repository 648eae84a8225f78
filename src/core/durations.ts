// Lengths of time that rules and bounds are made of.
export const HOUR_SECS = 3_600
export const DAY_SECS = 24 * HOUR_SECS
export const YEAR_SECS = 365 * DAY_SECS
export const HOUR_MS = HOUR_SECS * 1_000
export const DAY_MS = DAY_SECS * 1_000
