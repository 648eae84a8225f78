// Makes the two packages that are published: `npm run pack` writes their tarballs to dist/.
import { rmSync, statSync } from 'node:fs'
import { packClient } from './client-package.ts'
import { COMPILED, compile, declare } from './compiled.ts'
import { packServer } from './server-package.ts'

compile()
declare()
for (const pack of [packClient, packServer]) {
  const tarball = pack()
  process.stdout.write(`${tarball} (${Math.ceil(statSync(tarball).size / 1024)} KiB)\n`)
}
rmSync(COMPILED, { recursive: true, force: true })
