// How a command is declared: its action gets the Cli, its arguments and its options.
import type { Command } from 'commander'
import { own } from '#core/own.ts'
import type { Cli, GlobalFlags } from './cli.ts'

export type Values = Record<string, unknown>
export type Action = (cli: Cli, given: Values, args: readonly string[]) => Promise<void>
export type OpenCli = (flags: GlobalFlags) => Cli

/** Adds commands to a group; `open` makes what they run with. */
export type Commands = (program: Command, open: OpenCli) => void

export type Declared = {
  summary: string
  description?: string
  /** Lines as they are typed, each after the name of the program. */
  examples?: readonly string[]
  options?: (command: Command) => void
  action: Action
}

/** Declares `runs`, `why <run>`, `cancel [run...]`. */
export function declare(parent: Command, open: OpenCli, usage: string, declared: Declared): Command {
  const command = parent
    .command(usage)
    .summary(declared.summary)
    .description([declared.description ?? declared.summary, ...exampleParts(declared.examples)].join('\n\n'))
  declared.options?.(command)
  command.action(async () => {
    await declared.action(open(command.optsWithGlobals()), command.opts(), command.args)
  })
  return command
}

/** Before the list of options: most people look for an example first. */
const exampleParts = (examples: readonly string[] | undefined): string[] => (examples ? [examplesText(examples)] : [])

export const examplesText = (examples: readonly string[]): string =>
  `Examples:\n${examples.map((line) => `  runyard ${line}`).join('\n')}`

/** An option that was declared as text. */
export const textOf = (given: Values, name: string): string | undefined => {
  const value = own(given, name)
  return typeof value === 'string' ? value : undefined
}

/** The one argument that the command requires. */
export const onlyArg = (args: readonly string[]): string => args[0]!
