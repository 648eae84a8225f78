// Builds the console into web/dist, with a compressed copy beside each file, so that a node only has to send them.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

const COMPRESSED = /\.(?:js|css|svg)$/
/** A node that `npm run web` sends API calls to. */
const NODE = process.env.RUNYARD_URL ?? 'http://127.0.0.1:8080'
const API = ['/v1', '/openapi.json', '/docs', '/health', '/strait', '/onceonly', '/dynamiq', '/vai']

const compressed = (): Plugin => ({
  name: 'runyard-compressed',
  apply: 'build',
  writeBundle({ dir }) {
    for (const entry of readdirSync(dir!, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !COMPRESSED.test(entry.name)) continue
      const path = join(entry.parentPath, entry.name)
      const bytes = readFileSync(path)
      writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }))
      writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } }))
    }
  },
})

export default defineConfig({
  root: import.meta.dirname,
  // Addresses are relative to the page's <base>, which the node writes: the console works below any path of a proxy.
  base: './',
  plugins: [react(), compressed()],
  worker: { format: 'es' },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    // Vite's own helper for older browsers is an inline script, which the page's policy refuses.
    modulePreload: { polyfill: false },
    // An inlined image would be a data: address.
    assetsInlineLimit: 0,
    target: 'es2023',
    // These have light-dark(), which would otherwise be spelled out.
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    reportCompressedSize: false,
    // Of what is sent, which is compressed, the first screen has 180 kB at most: test/console/serving.test.ts.
    chunkSizeWarningLimit: 700,
  },
  server: {
    port: 5173,
    proxy: Object.fromEntries(API.map((path) => [path, { target: NODE }])),
  },
  logLevel: process.env.RUNYARD_BUILD_LOG === 'info' ? 'info' : 'warn',
})
