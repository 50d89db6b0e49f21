import asyncio

async def main():
    await asyncio.sleep(0.01)
    process = await asyncio.create_subprocess_exec("echo", "from a child", stdout=asyncio.subprocess.PIPE)
    print((await process.communicate())[0])

asyncio.run(main())
