// Settings in the environment that Runyard does not know: otherwise a misspelt one would be silently ignored.
import { cutText } from '#core/storable.ts'
import { SETTINGS } from './config.ts'

const PREFIX = 'RUNYARD_'

/** Settings that clients, the example agent and tests read; they may well be set where a node is started. */
const OF_OTHERS = /^RUNYARD_(?:URL|PROFILE|QUEUE|LEASE_SECS|TEST_\w*)$/

/** Variables that Kubernetes sets in every container for a service whose name begins with "runyard". */
const OF_KUBERNETES = /_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/
const ADDRESS_OF_KUBERNETES = /^(?:tcp|udp|sctp):\/\//

/** Maximum edit distance (letters changed or swapped) of a suspected typo. */
const MISTAKES_MAX = 3
const NAME_LENGTH_MAX = 100
const TOLD_MAX = 20

/** A sentence for each, without its value, which may be a secret; at most the first twenty. */
export function unknownSettings(env: NodeJS.ProcessEnv): string[] {
  return Object.entries(env)
    .filter(
      ([name]) => name.toUpperCase().startsWith(PREFIX) && !Object.hasOwn(SETTINGS, name) && !OF_OTHERS.test(name),
    )
    .filter(([name, value = '']) => !OF_KUBERNETES.test(name) && !ADDRESS_OF_KUBERNETES.test(value))
    .map(([name]) => name)
    .sort()
    .slice(0, TOLD_MAX)
    .map((name) => {
      const meant = nearest(cutText(name.toUpperCase(), NAME_LENGTH_MAX))
      const advice = meant ? `did you mean ${meant}?` : 'see --help for those that there are'
      return `${cutText(name, NAME_LENGTH_MAX)} is not a setting of Runyard and is ignored; ${advice}`
    })
}

/** The setting with the smallest edit distance. Those without a prefix are often given one. */
function nearest(name: string): string | undefined {
  const [best] = Object.keys(SETTINGS)
    .map((setting) => {
      const written = setting.startsWith(PREFIX) ? setting : PREFIX + setting
      return { setting, mistakes: mistakesIn(name, written) }
    })
    .filter(({ mistakes, setting }) => mistakes <= Math.min(MISTAKES_MAX, Math.floor(setting.length / 3)))
    .sort((a, b) => a.mistakes - b.mistakes)
  return best?.setting
}

/** The optimal string alignment distance: letters omitted, added, changed, or swapped with their neighbour. */
function mistakesIn(typed: string, meant: string): number {
  let before: number[] = []
  let above = Array.from({ length: meant.length + 1 }, (_, column) => column)
  for (let row = 1; row <= typed.length; row++) {
    const current = [row]
    for (let column = 1; column <= meant.length; column++) {
      const isSame = typed[row - 1] === meant[column - 1]
      const isSwapped = typed[row - 1] === meant[column - 2] && typed[row - 2] === meant[column - 1]
      current[column] = Math.min(
        above[column]! + 1,
        current[column - 1]! + 1,
        above[column - 1]! + (isSame ? 0 : 1),
        isSwapped ? before[column - 2]! + 1 : Number.POSITIVE_INFINITY,
      )
    }
    before = above
    above = current
  }
  return above[meant.length]!
}
