@echo off
rem Start Civitai Manager alone in a browser. The first start makes .venv beside this file and installs what is needed.
rem   start.bat            serve on http://127.0.0.1:7861
rem   start.bat --demo     the same against the bundled demo Civitai: offline, without a key
rem All arguments go to main.py (start.bat --help).
setlocal enableextensions
set "HERE=%~dp0"
set "VENV=%HERE%.venv"
set "VENV_PYTHON=%VENV%\Scripts\python.exe"
set "CHECK=import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))"

if exist "%VENV_PYTHON%" (
    "%VENV_PYTHON%" -c "%CHECK%" >nul 2>&1 && goto install
)

set "FOUND="
for %%P in ("py -3.13" "py -3.12" "py -3.11" "py -3.10" "python" "python3") do (
    if not defined FOUND %%~P -c "%CHECK%" >nul 2>&1 && set "FOUND=%%~P"
)
if not defined FOUND (
    echo.
    echo Civitai Manager needs Python 3.10 to 3.13, and none was found.
    echo Install one from https://www.python.org/downloads/ and start again.
    goto failed
)

echo Making the environment in .venv ...
if exist "%VENV%" rmdir /s /q "%VENV%"
%FOUND% -m venv "%VENV%"
if errorlevel 1 (
    echo.
    echo The environment could not be made in "%VENV%". Is the folder writable, and is there space on the disk?
    goto failed
)

:install
copy /b /y "%HERE%requirements.txt"+"%HERE%requirements-standalone.txt" "%VENV%\wanted.txt" >nul
fc /b "%VENV%\wanted.txt" "%VENV%\installed.txt" >nul 2>&1
if not errorlevel 1 goto serve
echo Installing what Civitai Manager needs; the first time this takes a minute or two ...
"%VENV_PYTHON%" -m pip install --disable-pip-version-check --quiet -r "%HERE%requirements-standalone.txt"
if errorlevel 1 (
    echo.
    echo The installation did not finish; the reason is above.
    echo Is this computer online? The first start needs the network; later starts do not. Start again to go on.
    goto failed
)
copy /b /y "%VENV%\wanted.txt" "%VENV%\installed.txt" >nul

:serve
"%VENV_PYTHON%" "%HERE%main.py" %*
exit /b %errorlevel%

:failed
rem A window opened by a double click stays open, so that the text can be read.
echo %cmdcmdline% | find /i "%~0" >nul && pause
exit /b 1
