export { askForChoice, choiceOf, split, type Wishes } from './ask.ts';
export { initProject, openTemplate, planInit, type Template } from './init.ts';
export { checkNames, type Names, nameProblem, scopeProblem, titleOf, titleProblem } from './names.ts';
export { formatPlan, type Operation } from './plan.ts';
export { type Choice, type Prepared, prepare } from './prepare.ts';
export { readRecord, recordFile, type TemplateRecord } from './record.ts';
export { TemplateError, type TemplateErrorOptions } from './template-error.ts';
export { readTree, type Tree, writeTree } from './tree.ts';
export { readVariants, takenNames } from './workspace.ts';
