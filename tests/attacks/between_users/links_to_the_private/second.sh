echo ATTACK-START; cat mine up folder/private hard 2>/dev/null; ls -la; echo ATTACK-END
