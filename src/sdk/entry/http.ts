// The package's entry `runyard/http`: executes runs behind a URL.
export { type ServeOptions, serve } from '../http/serve.ts'
