export { catalogueServices, formatAddition, planService, type ServiceAddition } from './add-service.ts';
export { archiveFile, packTree, readTemplate } from './archive.ts';
export { askForChoice, choiceOf, split, type Wishes } from './ask.ts';
export { checkTarget, createProject, planCreate } from './create.ts';
export { initProject, openTemplate, planInit, type Template } from './init.ts';
export { findMentions, namePattern, prunedPattern } from './leftovers.ts';
export { type Names, nameOfFolder } from './names.ts';
export {
  type ApplyOptions,
  createVariant,
  type NewVariant,
  planVariant,
  replaceText,
} from './new-variant.ts';
export { formatPlan, type Operation } from './plan.ts';
export { type Choice, type Prepared, prepare } from './prepare.ts';
export { readRecord, recordFile, type TemplateRecord } from './record.ts';
export { select } from './selection.ts';
export { TemplateError, type TemplateErrorOptions } from './template-error.ts';
export { isCheckout, readTree, type Tree, walkTree, writeTree } from './tree.ts';
export { type Upgraded, upgradeProject } from './upgrade.ts';
export { readVariants, takenNames } from './workspace.ts';
