// Turns what PostgreSQL or the operating system said into a sentence about what to do.

const OWN_SERVER = 'or set DATABASE_URL to a PostgreSQL (15 or later) of your own'

const REASONS: { says: RegExp; means: (folder: string) => string }[] = [
  {
    says: /no space left on device|disk quota exceeded/i,
    means: (folder) => `The disk that holds ${folder} is full. Make room there (a new database takes 60 MB)`,
  },
  {
    says: /could not create any TCP\/IP sockets/,
    means: () => 'No port on 127.0.0.1 could be had. See which program takes them',
  },
  {
    says: /could not (map|create) .*shared memory.*|cannot allocate memory/i,
    means: () => 'There is not enough memory for PostgreSQL. Free some',
  },
  {
    // A missing loader shows as ENOENT for a file that is there: so it looks on systems without glibc.
    says: /error while loading shared libraries|GLIBC_|library not loaded|spawn .*ENOENT|exec format error/i,
    means: () => 'The PostgreSQL that Runyard brings does not run on this system. Use one with glibc 2.27 or later',
  },
]

/** An error for a failed step, with the reason in front when it is one that we know. */
export function failure(what: string, output: string, folder: string): Error {
  const known = REASONS.find(({ says }) => says.test(output))
  const said = output.trim().split('\n').slice(-6).join('\n  ')
  const advice = known ? `${known.means(folder)}, ${OWN_SERVER}.` : `Mend what it names, ${OWN_SERVER}.`
  return new Error(`${what}. ${advice} It said:\n  ${said}`)
}

/** The same for what our own file operations and statements throw; any other error is returned as it is. */
export function explained(error: unknown, dataDir: string): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException
  const what = 'The embedded PostgreSQL could not be started'
  // 53100 is what PostgreSQL calls a full disk.
  if (['ENOSPC', 'EDQUOT', '53100'].includes(code)) {
    return Object.assign(failure(what, message, dataDir), { cause: error })
  }
  if (['EACCES', 'EPERM', 'EROFS'].includes(code)) {
    const advice = `Give the folder ${dataDir} to the account that runs Runyard, choose another RUNYARD_DATA_DIR`
    return new Error(`${what}: ${message}. ${advice}, ${OWN_SERVER}.`, { cause: error })
  }
  return error
}
