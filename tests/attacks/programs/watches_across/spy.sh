echo ATTACK-START spy
for i in 1 2 3 4 5 6 7 8; do
	factor 12 >/dev/null; tac /etc/hosts >/dev/null; ls /usr/share /usr/bin /etc >/dev/null; echo x > /tmp/t; rm /tmp/t; echo > /dev/null; for ns in /proc/self/ns/*; do true < $ns; done
done
echo ATTACK-END
