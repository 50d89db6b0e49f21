import os, time

os.environ["SECRET"] = "@SECRET@"
kept = ["@SECRET@" * 100 for _ in range(100)]
with open("/tmp/private", "w") as private:
    private.write("@SECRET@")
    private.flush()
    time.sleep(2.5)
print("RIGHT")
