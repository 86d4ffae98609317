
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('delivery', '0006_archive_status'),
        ('subscriptions', '0003_apikey_role'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='lane',
            index=models.Index(condition=models.Q(('owner__isnull', True)), fields=['endpoint'], name='lane_free'),
        ),
    ]
