// What the operator settled about people: given by the node.
import { part } from '#bell/part.ts'

export type PeopleSettings = {
  /** A session that nobody uses for so long ends. */
  idleSecs: number
  /** However much it is used, a session ends after this. */
  sessionSecs: number
}

const HOUR_SECS = 3_600

export const peopleSettings = part<PeopleSettings>(() => ({
  idleSecs: 24 * HOUR_SECS,
  sessionSecs: 14 * 24 * HOUR_SECS,
}))
