import { type Command, CommanderError } from 'commander'
import { closest, distance } from 'fastest-levenshtein'
import { UprezError } from '../errors.js'
import { oneLine } from '../one-line.js'

/**
 * Prints what went wrong as one line on stderr, `uprez: code: message`.
 * @returns the exit code: 0 where only help was asked for, 2 for wrong usage, 1 for everything else
 */
export function report(error: unknown): number {
  if (error instanceof CommanderError) return reportUsage(error)
  if (error instanceof UprezError) {
    console.error(`uprez: ${error.code}: ${oneLine(error.message)}${details(error)}`)
    return error.code === 'invalid-option' || error.code === 'unknown-option' ? 2 : 1
  }
  console.error(`uprez: internal: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return 1
}

/** The error for a first word that is no command (the default command would take it for an argument), or undefined. */
export function nearestCommand(program: Command, word: string | undefined): UprezError | undefined {
  if (word === undefined || word.startsWith('-')) return undefined
  const names = ['help', ...program.commands.flatMap(command => [command.name(), ...command.aliases()])]
  if (names.includes(word)) return undefined
  const near = closest(word, names)
  const hint = distance(word, near) <= 2 ? `did you mean ${near}?` : `pictures are named with -i: uprez -i ${word} -o OUTPUT`
  return new UprezError('unknown-option', `unknown command '${word}'; ${hint}`, { param: 'command' })
}

function reportUsage(error: CommanderError): number {
  if (error.exitCode === 0) return 0
  if (error.code === 'commander.help') return 2
  const code = error.code === 'commander.unknownOption' || error.code === 'commander.unknownCommand' ? 'unknown-option' : 'invalid-option'
  console.error(`uprez: ${code}: ${oneLine(error.message.replace(/^error: /, ''))}`)
  return 2
}

function details({ message, expected, got }: UprezError): string {
  const missing = [
    ...(expected !== undefined && !message.includes(expected) ? [`expected ${expected}`] : []),
    ...(got !== undefined && !message.includes(got) ? [`got ${got}`] : []),
  ]
  return missing.length === 0 ? '' : ` (${oneLine(missing.join(', '))})`
}
