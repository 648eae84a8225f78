// Checks an export of the log against the seals in it: node docs/verify-export.mjs export.ndjson [--expect HASH]
// Needs Node 20 or later and nothing else, and asks nobody. Ends with 0 when every event is what was sealed, else with 1.
// --expect: one of the seals, or the one before the first, must have this hash, which was kept elsewhere.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'

const LINE_BYTES_MAX = 16 * 1024 * 1024
const EVENT = '{"specversion":"1.0",'

const sha256 = (bytes) => createHash('sha256').update(bytes).digest()
const no = (reason) => {
  throw new Error(reason)
}

/** The lines as bytes, split at line feeds alone: other characters that end a line may stand in a text. */
async function* linesOf(path) {
  let rest = Buffer.alloc(0)
  for await (const chunk of createReadStream(path)) {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      yield Buffer.concat([rest, chunk.subarray(from, end)])
      rest = Buffer.alloc(0)
      from = end + 1
    }
    rest = Buffer.concat([rest, chunk.subarray(from)])
    if (rest.length > LINE_BYTES_MAX) no('a line is too long to be one of an export')
  }
  if (rest.length > 0) no('it was cut off: the last line has no end')
}

/** SHA-256 of the fields but the hash itself, as JSON without spaces and with its keys in order. */
function sealHash({ hash: _, ...fields }) {
  const keys = Object.keys(fields).sort()
  return sha256(`{${keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(fields[key])}`).join(',')}}`).toString(
    'hex',
  )
}

function makeCheck(header, expected) {
  let digest = createHash('sha256')
  let inWindow = 0
  let last
  let isExpected = expected === undefined
  const counts = { windows: 0, events: 0 }

  function seal(it) {
    if (it.format !== 1) no(`seal ${it.number} has the format ${it.format}, which this script does not know`)
    if (sealHash(it) !== it.hash) no(`seal ${it.number} was changed: its hash is not that of what it says`)
    if (it.project_id !== header.project_id) no(`seal ${it.number} is of another project`)
    if (it.number !== (last ? last.number + 1 : header.first_seal)) no(`a seal is missing before seal ${it.number}`)
    if (last && it.previous !== last.hash) no(`seal ${it.number} was made after another seal ${last.number}`)
    if (last && (it.after_xid !== last.until_xid || it.after_position !== last.until_position))
      no(`the window of seal ${it.number} does not begin where that of seal ${last.number} ends`)
    if (inWindow !== it.events) no(`seal ${it.number} covers ${it.events} events, and here are ${inWindow}`)
    if (digest.digest('hex') !== it.digest) no(`an event that seal ${it.number} covers is not what was sealed`)
    isExpected ||= it.hash === expected || (!last && it.previous === expected)
    digest = createHash('sha256')
    inWindow = 0
    last = it
    counts.windows++
  }
  return {
    event(line) {
      digest.update(sha256(line))
      inWindow++
      counts.events++
    },
    seal,
    end(told) {
      if (inWindow > 0) no(`${inWindow} events at the end are covered by no seal`)
      if (
        told.windows !== counts.windows ||
        told.events !== counts.events ||
        (last?.number ?? null) !== header.last_seal
      )
        no('seals or events are missing')
      if (!isExpected) no(`no seal has the hash ${expected}`)
      const seals = last ? `seals ${header.first_seal} to ${last.number}, the last one ${last.hash}` : 'no seals'
      return `${counts.events} events of project ${header.project_id} are what was sealed: ${seals}`
    },
  }
}

async function verify(path, expected) {
  let check
  let verdict
  let number = 0
  for await (const line of linesOf(path)) {
    number++
    try {
      if (verdict) no('something was added after the end')
      if (check && line.subarray(0, EVENT.length).toString() === EVENT) {
        check.event(line)
        continue
      }
      const it = JSON.parse(line.toString())
      if (!check && it.runyard_export === 1) check = makeCheck(it, expected)
      else if (check && it.seal) check.seal(it.seal)
      else if (check && it.end === true) verdict = check.end(it)
      else no('this is no line of an export')
    } catch (error) {
      no(`line ${number}: ${error.message}`)
    }
  }
  return verdict ?? no('it was cut off: the end is missing')
}

const [path, option, expected] = process.argv.slice(2)
if (path === undefined || (option !== undefined && (option !== '--expect' || !/^[0-9a-f]{64}$/.test(expected ?? '')))) {
  console.error('usage: node verify-export.mjs export.ndjson [--expect HASH]')
  process.exitCode = 1
} else {
  await verify(path, expected).then(
    (verdict) => console.log(`OK: ${verdict}`),
    (error) => {
      console.error(`NOT OK: ${error.message}`)
      process.exitCode = 1
    },
  )
}
