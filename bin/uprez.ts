#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { addUpscaleCommand } from '../batch/command.js'
import { addDoctorCommand, addSetupCommand } from '../doctor/command.js'
import { addEvalCommand } from '../eval/command.js'
import { addAdoptCommand, addBlendCommand, addExportCommand } from '../export/command.js'
import { addInspectCommand } from '../probe/command.js'
import { addServeCommand } from '../serve/command.js'
import { addReportCommand, addTrainCommand } from '../train/command.js'
import { nearestCommand, report } from './errors.js'

const packageFile = fileURLToPath(new URL('../../package.json', import.meta.url))
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }

const program = new Command('uprez')
  .description('Upscale pictures: over HTTP, over folders; train and export the models that do it.')
  .version(version)
  .configureOutput({ outputError: () => {} })
  .exitOverride()
  .addHelpText('after', '\nWithout a command, upscale is meant: uprez -i photo.jpg -o big.png\n')

addUpscaleCommand(program)
addServeCommand(program)
addTrainCommand(program)
addReportCommand(program)
addExportCommand(program)
addBlendCommand(program)
addAdoptCommand(program)
addInspectCommand(program)
addEvalCommand(program)
addDoctorCommand(program)
addSetupCommand(program)

standWhereCalled()
const words = process.argv.slice(2)
try {
  const misspelt = nearestCommand(program, words[0])
  if (misspelt !== undefined) throw misspelt
  if (words.length === 0) program.help({ error: true })
  await program.parseAsync(words, { from: 'user' })
} catch (error) {
  process.exitCode = report(error)
}

/** `npm run` starts its scripts in the package's folder; paths mean the folder where the caller stood. */
function standWhereCalled() {
  const { INIT_CWD, npm_lifecycle_event } = process.env
  // The variables reach grandchildren too: only what npm itself started stands in the package's folder.
  if (npm_lifecycle_event === 'uprez' && process.cwd() === dirname(packageFile) && INIT_CWD !== undefined) process.chdir(INIT_CWD)
}
