import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: 'web',
  plugins: [react()],
  envPrefix: 'VITE_',
  server: { host: '127.0.0.1', strictPort: true },
  build: { outDir: '../dist/web', emptyOutDir: true },
});
