@echo off
rem Runs pnpm with Node >= 24, on any Windows machine that has Node >= 18 and npm. See pnpmw.
setlocal
set "NODE_VERSION=24.21.0"
set "ROOT=%~dp0"
for /f "tokens=2 delims=@" %%v in ('findstr /c:"\"packageManager\"" "%ROOT%package.json"') do set "PNPM_VERSION=%%v"
set "PNPM_VERSION=%PNPM_VERSION:",=%"
set "PNPM_VERSION=%PNPM_VERSION:"=%"
set "ARCH=x64"
if /i "%PROCESSOR_ARCHITECTURE%"=="ARM64" set "ARCH=arm64"
set "TOOLCHAIN=%ROOT%.stackyard\toolchain\node-%NODE_VERSION%-pnpm-%PNPM_VERSION%"
set "NODE_DIR=%TOOLCHAIN%\node_modules\node-win-%ARCH%\bin"
set "PNPM_DIR=%TOOLCHAIN%\node_modules\@pnpm\exe.win32-%ARCH%"
if exist "%NODE_DIR%\node.exe" if exist "%PNPM_DIR%\pnpm.exe" goto run
where npm >nul 2>nul || (echo pnpmw: npm is not on the PATH. Install Node.js ^>= 18, which brings npm, then run this again.>&2& exit /b 1)
echo pnpmw: fetching node %NODE_VERSION% and pnpm %PNPM_VERSION% (once)>&2
if not exist "%TOOLCHAIN%" mkdir "%TOOLCHAIN%"
call npm install --prefix "%TOOLCHAIN%" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error "node-win-%ARCH%@%NODE_VERSION%" "@pnpm/exe.win32-%ARCH%@%PNPM_VERSION%" 1>&2 || exit /b 1
:run
set "PATH=%NODE_DIR%;%PNPM_DIR%;%PATH%"
rem An init that was cut off while it put the project's files in place is finished first.
if exist "%ROOT%.stackyard\init\switch.mjs" node "%ROOT%.stackyard\init\switch.mjs" "%ROOT%."
pnpm.exe %*
