import { expect, test } from 'vitest'
import { checkHeaders } from './headers.ts'

const none = { files: [], ofPackage: undefined }

test('a script begins with what it is for; tests and other files need not', () => {
  const { withHead, withoutHead, silent } = checkHeaders(
    [
      { path: 'a.ts', text: '// Does a.\nexport {}' },
      { path: 'b.ts', text: '#!/usr/bin/env node\n/* Does b. */' },
      { path: 'c.ts', text: '\n\n// Does c, after a moment.' },
      { path: 'd.ts', text: 'export {} // too late' },
      { path: 'd.test.ts', text: 'test()' },
      { path: 'e.json', text: '{}' },
    ],
    none,
  )
  expect({ withHead, withoutHead, silent }).toEqual({ withHead: 3, withoutHead: 1, silent: ['d.ts'] })
})

test('licences are found around the folder and in the files that name them', () => {
  const licence = { files: ['LICENSE'], ofPackage: 'Apache-2.0' }
  const files = [{ path: 'a.c', text: '/* SPDX-License-Identifier: MIT */' }]
  expect(checkHeaders(files, licence)).toMatchObject({ licence, spdx: 1 })
})
