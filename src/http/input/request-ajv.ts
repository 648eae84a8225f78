// Validators of requests against our own contract, each API with its own notion of times and ids. A body is JSON and is
// checked as it is; query and path are text, so their values are converted.
import { Ajv2020, type Format, type Options } from 'ajv/dist/2020.js'
import { AS_WRITTEN } from '#contract/common.ts'
import { jsonText } from '#postgres/json.ts'
import { OWN_ID } from './own-ids.ts'

type RequestRules = {
  formats: { 'date-time': Format; uuid: Format }
  /** How query and path are converted: with `array`, one value stands for a list of one. */
  coerceTypes: NonNullable<Options['coerceTypes']>
  /** Errors name the schema and the value. */
  verbose?: boolean
}

export type RequestAjvs = {
  /** `first` stops at the first error, `every` collects them all. */
  bodies: { first: Ajv2020; every: Ajv2020 }
  texts: Ajv2020
}

export function requestAjvs({ formats, coerceTypes, verbose = false }: RequestRules): RequestAjvs {
  const make = (options: Options): Ajv2020 =>
    new Ajv2020({
      allErrors: true,
      useDefaults: true,
      strict: true,
      allowUnionTypes: true,
      verbose,
      formats,
      keywords: [
        OWN_ID,
        { keyword: AS_WRITTEN, schemaType: 'boolean' },
        { keyword: 'x-comma-list', schemaType: 'boolean' },
        {
          keyword: 'x-bytes-max',
          schemaType: 'number',
          validate: (bytesMax: number, value: unknown) => Buffer.byteLength(jsonText(value) ?? '') <= bytesMax,
          error: { message: ({ schema }) => `must not be larger than ${schema} bytes of JSON` },
        },
      ],
      ...options,
    })
  return {
    bodies: { first: make({ coerceTypes: false, allErrors: false }), every: make({ coerceTypes: false }) },
    texts: make({ coerceTypes }),
  }
}
