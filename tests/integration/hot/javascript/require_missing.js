require("./no-such");
