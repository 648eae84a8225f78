import { randomUUID } from 'node:crypto'
import { chmod, chown, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { canEnter, chooseAccount, isRoot } from './account.ts'

const PASSWD = `root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin
postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash
`

test('root runs PostgreSQL as the first of runyard, postgres and nobody that exists', () => {
  expect(chooseAccount(`${PASSWD}runyard:x:900:901::/:/bin/false\n`)).toEqual({ name: 'runyard', uid: 900, gid: 901 })
  expect(chooseAccount(PASSWD)).toEqual({ name: 'postgres', uid: 101, gid: 104 })
  expect(chooseAccount(PASSWD.replace('postgres:', 'mysql:'))).toEqual({ name: 'nobody', uid: 65534, gid: 65533 })
})

test('without any such account, root is told what to do', () => {
  expect(() => chooseAccount('root:x:0:0:root:/root:/bin/bash\n')).toThrow(/runyard, postgres, nobody.*DATABASE_URL/s)
})

test.runIf(isRoot())('an account may enter a folder if it may enter everything above it', async () => {
  const account = { name: 'nobody', uid: 65534, gid: 65533 }
  const above = join(inject('testRoot'), `above-${randomUUID().slice(0, 8)}`)
  const below = join(above, 'below')
  await mkdir(below, { recursive: true })
  await chmod(above, 0o711)
  expect(await canEnter(account, below)).toBe(true)
  await chmod(above, 0o700)
  expect(await canEnter(account, below)).toBe(false)
  await chown(above, 0, account.gid)
  await chmod(above, 0o710)
  expect(await canEnter(account, below)).toBe(true)
  // The owner's bits count for the owner, also when the group's would allow more.
  await chown(above, account.uid, account.gid)
  await chmod(above, 0o077)
  expect(await canEnter(account, below)).toBe(false)
})
