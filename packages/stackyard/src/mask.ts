export { maskUrlPasswords as maskUrl, maskVariable } from '@stackyard/env/mask';
