# What a program sees of the machine: itself.
processes=(/proc/[0-9]*)
echo "user $(id -u), ${#processes[@]} processes, files here: $(echo *)"
touch /usr/bin/mine 2>/dev/null && echo "could write to /usr"
echo "/usr is read-only"
