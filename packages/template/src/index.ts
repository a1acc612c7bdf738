export { checkNames, type Names, nameProblem, scopeProblem, titleOf, titleProblem } from './names.ts';
export { TemplateError, type TemplateErrorOptions } from './template-error.ts';
