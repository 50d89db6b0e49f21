plain text, <?= 1 + 1 ?> twice
<?php echo "php\n" ?>
and the rest