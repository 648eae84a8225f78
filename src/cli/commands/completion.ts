// Completion: the shell asks the program what may come next, so that one answer serves all shells.
import type { Command, Option } from 'commander'
import { type Commands, declare, onlyArg } from '../command.ts'
import { usageError } from '../exit-codes.ts'

const ASK = 'complete-words'

const SCRIPTS: ReadonlyMap<string, string> = new Map([
  [
    'bash',
    `_runyard() {
  local IFS=$'\\n'
  COMPREPLY=( $(compgen -W "$(runyard ${ASK} -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}") )
}
complete -o default -F _runyard runyard`,
  ],
  [
    'zsh',
    `#compdef runyard
_runyard() {
  local -a words_found
  words_found=("\${(@f)$(runyard ${ASK} -- "\${words[@]:1:CURRENT-1}" 2>/dev/null)}")
  compadd -a words_found
}
compdef _runyard runyard`,
  ],
  ['fish', `complete -c runyard -f -a '(runyard ${ASK} -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'`],
])

export const completionCommands: Commands = (program, open) => {
  declare(program, open, 'completion <shell>', {
    summary: 'Print a completion script',
    examples: [
      'completion bash > ~/.local/share/bash-completion/completions/runyard',
      'completion fish > ~/.config/fish/completions/runyard.fish',
    ],
    action: async (cli, _, args) => {
      const script = SCRIPTS.get(onlyArg(args))
      if (!script)
        throw usageError(`Completion exists for ${[...SCRIPTS.keys()].join(', ')}, not for "${onlyArg(args)}".`)
      cli.terminal.line(script)
    },
  })
  program
    .command(`${ASK} [word...]`, { hidden: true })
    .allowUnknownOption()
    .action((words: string[]) => {
      for (const word of candidates(program, words)) process.stdout.write(`${word}\n`)
    })
}

/** What may stand in the place of the last word. */
function candidates(program: Command, words: readonly string[]): string[] {
  const before = words.slice(0, -1)
  const current = words.at(-1) ?? ''
  let command = program
  for (const word of before) command = childOf(command, word) ?? command
  const choices = optionOf(command, before.at(-1) ?? '')
  if (choices) return choices.filter((choice) => choice.startsWith(current))
  const options = [...command.options, ...(command === program ? [] : program.options)]
  const found = current.startsWith('-')
    ? options.flatMap((option) => option.long ?? [])
    : visible(command).map((child) => child.name())
  return found.filter((word) => word.startsWith(current)).sort()
}

const visible = (command: Command): readonly Command[] => command.commands.filter((child) => child.name() !== ASK)
const childOf = (command: Command, word: string) => command.commands.find((child) => child.name() === word)

/** The values of an option that takes one of several. */
function optionOf(command: Command, word: string): string[] | undefined {
  const option: Option | undefined = command.options.find(({ long, short }) => word === long || word === short)
  if (!option || option.isBoolean() || option.negate) return undefined
  const listed = /\[([^\]]+)\]$/.exec(option.description)?.[1]
  return listed?.split(', ') ?? []
}
