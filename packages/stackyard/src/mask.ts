export { looksSecret, maskUrlPasswords as maskUrl, maskVariable } from '@stackyard/env/mask';
