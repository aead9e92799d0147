import { testGenerators } from '../support/generators.js'
import { needsNative } from '../support/native.js'

testGenerators('tensorflow', needsNative)
